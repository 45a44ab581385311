package bridge

// hold is what a priced decision found out about a digest.
type hold struct {
	price float64 // what a send is expected to be worth elsewhere
	later float64 // what this digest is expected to be worth at its best later moment
}

// Memo remembers between plans what is costly to work out again.
type Memo struct{}

// byPrice starts the digest whose send is worth its price.
func (t *table) byPrice() { t.asSoonAsPossible(t.order) }

package bridge

import "slices"

// splitUsers says which of the users have a place beside those that the
// digest has already. A nil digest has none yet.
func (d *Digest) splitUsers(users []string) (fits, rest []string) {
	n := 0
	var have map[string]bool
	if d != nil {
		n, have = len(d.Users), d.userSet()
	}
	fresh := map[string]bool{}
	for _, u := range users {
		known := have[u] || fresh[u]
		if !known && n >= maxUsers {
			rest = append(rest, u)
			continue
		}
		if !known {
			n++
			fresh[u] = true
		}
		fits = append(fits, u)
	}
	return fits, rest
}

// addUsers adds those that the digest does not have yet.
func (d *Digest) addUsers(users []string) {
	if len(users) == 0 {
		return
	}
	have := d.userSet()
	for _, u := range users {
		if !have[u] {
			have[u] = true
			d.Users = append(d.Users, u)
		}
	}
}

// userSet is made again after decoding, when it is first asked for.
func (d *Digest) userSet() map[string]bool {
	if d.users == nil {
		d.users = make(map[string]bool, len(d.Users))
		for _, u := range d.Users {
			d.users[u] = true
		}
	}
	return d.users
}

// reachAll reports whether all of some users are among those that newer news
// go to: who is not has read nothing that replaces what there was.
func reachAll(users, of []string) bool {
	return !slices.ContainsFunc(of, func(u string) bool { return !slices.Contains(users, u) })
}

// shares reports whether somebody has a place both in the digest, if there is
// one, and in another one of some.
func (d *Digest) shares(some []*Digest) bool {
	return d != nil && slices.ContainsFunc(some, func(o *Digest) bool {
		have := o.userSet()
		return o != d && slices.ContainsFunc(d.Users, func(u string) bool { return have[u] })
	})
}

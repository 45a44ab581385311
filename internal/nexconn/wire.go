package nexconn

import "net"

// wire is the connection below the provider's TLS, where "was a byte
// written?" is a fact. Until arm it passes the handshake through; from then
// on every byte belongs to the request. One goroutine uses it.
type wire struct {
	net.Conn
	permit  func() error // asked once, right before the first byte; nil: not armed
	refused error        // what permit said
	sent    int64        // bytes of the request that the system took
}

// arm says that the next byte is the request's first.
func (w *wire) arm(permit func() error) { w.permit = permit }

func (w *wire) Write(p []byte) (int, error) {
	if w.permit == nil {
		return w.Conn.Write(p)
	}
	if w.sent == 0 && w.refused == nil {
		w.refused = w.permit()
	}
	if w.refused != nil {
		return 0, w.refused
	}
	n, err := w.Conn.Write(p)
	w.sent += int64(n)
	return n, err
}

// Package rawjson finds its way in JSON without decoding it.
//
// An event is looked at for two or three of its fields, and decoding all of
// it would cost more than everything else that is done with it. So a text is
// gone through once: [Object] and [Array] check all of it and cut it into the
// raw values of its members and elements, which refer to its memory. [Lookup]
// finds a member, [Text] decodes a string, and a value that is an object or an
// array itself can be cut in its turn.
//
// The package takes exactly what encoding/json takes, and reads it in the same
// way, with one exception: nesting ends at [MaxDepth].
package rawjson

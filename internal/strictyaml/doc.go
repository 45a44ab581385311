// Package strictyaml reads YAML files that people write, and tells them what is
// wrong: everything at once, each at its place, with the remedy.
//
// # Types
//
// What keys a file has is said once, by Go types with tags ([Decoder] lists
// them). [Read] fills a value of such a type, and [SchemaOf] makes from the
// same type what an editor needs to check the file while it is written.
//
// A map of the file is a struct that embeds [Mark]; a list is a slice; a map
// whose keys are names is a [Named]. Single values are a [Text], in which
// ${NAME} stands for an environment variable, a [Code], which is taken as it
// stands, an [Integer] or a [Flag]; a [Tree] is whatever stands there. A type
// of another package reads itself if it has a method
// Decode(*Decoder, *Node, string), and describes itself with
// Schema(reflect.StructTag) Schema.
//
// Each of them knows whether it stands in the file and where, so that whoever
// goes on to check what the values mean can report it in the same [Report]. A
// [Scalar] finds the place of one character, however the text is written.
//
// # Strictness
//
// Nothing is guessed. An unknown key is an error, and so is one that stands
// twice, has no value, or one of another kind. Anchors, aliases and merge keys
// are resolved, and a file has bounds: of bytes, values, keys and depth.
//
// # Secrets
//
// A message shows the line that it is about, and goes to logs and pages. The
// value of a secret's key is left out there, also where the key is misspelt or
// only speaks of a secret, password or token, and so is whatever stands behind
// a key that nobody knows.
package strictyaml

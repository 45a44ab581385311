// Package mapping turns a rules file into decisions: which events matter to
// whom, and what is said.
//
// # The words
//
// A rules file names apps (provider App Keys, each with a quota), audiences
// (who receives), templates (what is said) and rules (which events matter).
// An event that matches a rule becomes an [Item]. Items gather in a digest,
// which is not this package's business; when it is due, it comes back as a
// [View] and leaves as a [Request].
//
// # The way through
//
//	rules.yaml ─ Compile ─► RuleSet ─► App ─┬─ Map:    Message ─► Decision
//	                                        ├─ Explain: Message ─► Explanation
//	                                        └─ Render: View ─► Rendered
//
// [Compile] reads the whole file, reports everything that is wrong with it
// at once, and gives either a complete [RuleSet] or none. All that can be done
// once is done there: expressions are compiled, templates parsed, rules put
// into a tree by subject.
// How the file is read, with all mistakes at their places, is
// internal/strictyaml's matter; what its keys mean is this package's.
//
// [App.Map] decides about one message. It finds the rules of the subject in
// time that does not depend on how many rules there are for others, cuts the
// event's raw JSON into members without decoding them, and decodes what
// conditions ask for. An expression that fails on an event is not a match but
// a [Failure]; what can't be used at all is a [DeadLetter].
//
// [App.Render] makes the provider's request out of a digest. Text beyond the
// provider's limits is cut at the border of a character, never refused.
//
// # Purity
//
// Nothing here reads a clock, a file, the network or chance: the same message
// always gives the same decision and the same digest the same bytes, so an
// event that is read twice is folded into the same place. The time zone
// database is the one thing taken from outside.
//
// # Bounds
//
// Rules are trusted, events are not. Expressions that loop have a limit of
// steps, templates one of steps and of text; keys, items and their data are
// short. All of these are counted, not timed.
package mapping

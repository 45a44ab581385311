// Package ruletest plays the tests of a rules file: stories of events, and
// what must come of them. It is what belfry test decides; the verb keeps the
// files, the flags and the printing.
//
// # A test
//
// [mapping.ParseTests] reads a story: events at offsets from a start, and an
// expectation. [Play] runs it through mapping, fold and planner in virtual
// time (package simulate), app by app, and compares what happened with what
// was expected: broadcasts and dead letters in their order, and the digests
// that still wait at the end. What a story does not name is not compared, and
// an empty list says that there must be nothing.
//
// # What comes of it
//
// An [Outcome] has the differences, each with the line that it is about and
// with both sides as YAML. It passes if there are none. Beside them it tells
// what may be the reason: expressions that failed, items that ended unsent.
//
// # Expectations that write themselves
//
// [Rewrite] puts what happened in the place of expectations that do not hold,
// or that say nothing yet. It works on the text and not on the document, so
// that comments, order and layout of everything else stay to the letter; an
// expectation keeps the fields that its author has chosen.
//
// Nothing here reads a clock or a file.
package ruletest

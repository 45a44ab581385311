// Package spelling finds what someone meant who misspelt a name: of a key, a
// function, a rule. A slip is a few edits away, and what differs in case or
// dashes only is no other name.
package spelling

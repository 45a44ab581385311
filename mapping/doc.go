// Package mapping turns a rules file into decisions: which events matter to
// whom, and what is said.
package mapping

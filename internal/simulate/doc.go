// Package simulate runs a history through rules and planner in virtual time.
package simulate

//go:build !unix

package main

// Tests that pause processes are left out: there is no signal for it.
const canPause = false

func (p *process) pause() {}

func (p *process) resume() {}

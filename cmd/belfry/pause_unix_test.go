//go:build unix

package main

import "syscall"

const canPause = true

// pause has the process say nothing, with its connections open.
func (p *process) pause() { p.signal(syscall.SIGSTOP) }

func (p *process) resume() { p.signal(syscall.SIGCONT) }

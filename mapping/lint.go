package mapping

func (c *compiler) lint() {}

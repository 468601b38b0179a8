"""What answers over HTTP. It holds no logic of its own beyond the protocol it speaks."""

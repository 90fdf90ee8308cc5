"""Graph to graph: reverse mode (grad, vjp), forward mode (jvp), higher derivatives."""

"""The line editor of the prompt: keys, colours, indentation."""

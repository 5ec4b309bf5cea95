"""One child from parents and context: the operators."""

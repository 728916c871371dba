"""A hurried person at the window: random deeds by real events, and rules that hold after each of them.

`images` makes what is worked on, `desk` is the window and the hand, `facts` reads the session (nothing else does),
`deeds` is what can be done and `rules` what must hold then, `script` is how a run is written down and cut short, `work`
is one run in a process of its own, `ending` is undoing all of it, saving and bringing back. `__main__` has the options.
"""

"""Chats that are held to be judged; scripts/measure_chats.py runs them.

`photos` makes what the assistant is shown, `questions` what it is asked, `judging` reads facts out
of its words, `drawn` compares them with the picture, `talks` holds and keeps the chats, and
`figures` counts and writes down. `plain_questions` are words that nobody tuned on.
"""

"""Who is in a group and what it has read: pure state machines that take requests and time and give `Effects`."""

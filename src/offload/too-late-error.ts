/** What was given to a thread or a process took longer than it may. */
export class TooLateError extends Error {}

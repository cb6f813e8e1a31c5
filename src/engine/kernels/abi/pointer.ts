/** A byte offset into the job’s one shared memory. */
export type Pointer = number;

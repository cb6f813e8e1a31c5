/** A training thread in which nothing goes on. */
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

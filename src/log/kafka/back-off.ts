/** A wait between two tries, ms: doubles up to the longest, and differs from client to client. */
export function backOff(tries: number, longest = 1000): number {
  return Math.min(longest, 10 * 2 ** Math.min(tries, 10)) * (0.8 + Math.random() * 0.4)
}

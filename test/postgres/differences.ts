/** Told at most: a comparison of thousands of things by `deepEqual` takes minutes when they differ. */
const MOST = 10

/** What is found more often than expected (+) or less often (−), each as JSON, the first few; the order does not matter. */
export function differencesOf(found: readonly unknown[], expected: readonly unknown[]): string[] {
  const counts = new Map<string, number>()
  const add = (value: unknown, one: number): void => {
    const text = JSON.stringify(value)
    counts.set(text, (counts.get(text) ?? 0) + one)
  }
  for (const value of found) add(value, 1)
  for (const value of expected) add(value, -1)
  return [...counts]
    .filter(([, count]) => count !== 0)
    .slice(0, MOST)
    .map(([text, count]) => `${count > 0 ? '+' : ''}${count} ${text}`)
}

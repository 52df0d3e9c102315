/** A schema may fill one object again with each decode: its properties may be kept, it may not. */
export function kept<V>(value: V): V {
  const isRecord = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  return isRecord ? { ...value } : value
}

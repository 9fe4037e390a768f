/** Printable ASCII without blanks: what Redis takes as the name of a client or library. */
export function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name)
}

export async function runHotMove(): Promise<void> {}

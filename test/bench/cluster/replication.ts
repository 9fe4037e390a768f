export async function runReplication(): Promise<void> {}

/** A clock that all processes of this machine share: what it says in one can be subtracted from what it says in another. */
export const clockMs = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};

/** The processor time that this process has used. */
export const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

// What Vega expects of a browser and QuickJS lacks. Timers run as promise jobs: nothing here waits for time.
const host = globalThis;
host.global ??= host;
host.self ??= host;
host.console ??= { log() {}, warn() {}, error() {}, info() {}, debug() {} };
host.setTimeout ??= (callback, _delay, ...rest) => {
  Promise.resolve().then(() => callback(...rest));
  return 1;
};
host.clearTimeout ??= () => {};
host.setInterval ??= () => 0;
host.clearInterval ??= () => {};

// Vega-Lite clones specs, which are JSON.
host.structuredClone ??= (value) => {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Date) return new Date(+value);
  const copy = Array.isArray(value) ? [] : {};
  for (const key of Object.keys(value)) copy[key] = host.structuredClone(value[key]);
  return copy;
};

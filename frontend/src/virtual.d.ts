/** Modules that the build writes (see build.mjs). */

declare module 'virtual:chart' {
  const specification: object;
  export default specification;
}

declare module 'virtual:map-worker' {
  export const workerUrl: () => string;
}

declare module '*.css';

/** False in the one file that is sent to others. */
declare const SERVED: boolean;

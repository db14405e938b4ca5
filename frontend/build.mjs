// Builds the front end into src/bluelamp/web/static: the served page's module and chunks, and the one script and
// one sheet that a self-contained file carries. Both come from the same sources.

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { wcagContrast } from 'culori';
import { build } from 'vite';
import { paperCss } from './src/paper-css.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(here, '../src/bluelamp/web/static');
const started = Date.now();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const common = {
  root: here,
  configFile: false,
  publicDir: false,
  logLevel: 'warn',
  define: { 'process.env.NODE_ENV': '"production"' },
};

/** MapLibre draws in a worker. It is made classic here, because from disk a browser starts no module worker from a Blob. */
async function bundleMapWorker() {
  const [result] = [await build({
    ...common,
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      rolldownOptions: {
        input: path.join(here, 'node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs'),
        output: { format: 'iife', name: 'bluelampMapWorker', codeSplitting: false },
      },
    },
  })].flat();
  return result.output[0].code;
}

/** The chart's Vega specification, compiled now so that the page carries no Vega-Lite. */
async function compileChart() {
  const [{ compile }, { default: specification }] = await Promise.all([import('vega-lite'), import('./src/chart-spec.mjs')]);
  const warnings = [];
  const { spec } = compile(specification, { logger: quietLogger(warnings) });
  if (warnings.length > 0) throw new Error(`the chart's specification is not clean:\n  ${warnings.join('\n  ')}`);
  delete spec.$schema;
  return spec;
}

function quietLogger(warnings) {
  const logger = { level: () => logger, warn: (...words) => (warnings.push(words.join(' ')), logger), info: () => logger, debug: () => logger, error: (...words) => (warnings.push(words.join(' ')), logger) };
  return logger;
}

/** The tokens as the sheets read them: `--ink`, `--ramp-blue-3` and what can be read on it, `--text-note`. */
async function writeTokens() {
  const { colour, ramp, set, text, space } = JSON.parse(await readFile(path.join(here, 'src/tokens.json'), 'utf8'));
  const both = (name, light, dark) => (light === dark ? `--${name}:${light}` : `--${name}:light-dark(${light},${dark})`);
  const black = (under) => wcagContrast(under, '#000000') >= wcagContrast(under, '#ffffff');
  const ink = (under) => (black(under) ? '#000000' : '#ffffff');
  const steps = (name, { light, dark }) => light.flatMap((step, at) => [both(`${name}-${at}`, step, dark[at]), both(`${name}-${at}-ink`, ink(step), ink(dark[at]))]);
  const lines = [
    ...Object.entries(colour).map(([name, { light, dark }]) => both(name, light, dark)),
    ...Object.entries(ramp).flatMap(([name, colours]) => steps(`ramp-${name}`, colours)),
    ...Object.entries(set).flatMap(([name, colours]) => steps(name, colours)),
    ...Object.entries(text).map(([name, size]) => `--text-${name}:${size}`),
    ...Object.entries(space).map(([name, size]) => `--${name}:${size}`),
  ];
  return `:root{${lines.join(';')}}`;
}

const worker = await bundleMapWorker();
const tokens = await writeTokens();
const chart = await compileChart();

/** Modules that only a build can write: the chart's specification, and where MapLibre finds its worker. */
function written(mode) {
  const modules = {
    'virtual:tokens.css': tokens,
    'virtual:chart': `export default ${JSON.stringify(chart)};`,
    'virtual:map-worker': mode === 'single'
      ? `const source = ${JSON.stringify(worker)};\n// MapLibre starts a classic worker when its address ends in ".cjs".\nexport const workerUrl = () => URL.createObjectURL(new Blob([source], { type: 'text/javascript' })) + '#map-worker.cjs';`
      : `export const workerUrl = () => (document.body.dataset.staticBase ?? '') + '/map-worker.js#map-worker.cjs';`,
  };
  return {
    name: 'bluelamp-written',
    resolveId: (id) => (id in modules ? `\0${id}` : null),
    load: (id) => modules[id.replace(/^\0/, '')] ?? null,
  };
}

const entry = path.join(here, 'src/main.ts');

await build({
  ...common,
  plugins: [written('served')],
  define: { ...common.define, SERVED: 'true' },
  build: {
    outDir: out,
    emptyOutDir: false,
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: { app: entry, codes: path.join(here, 'src/codes.ts'), data: path.join(here, 'src/data.ts'), now: path.join(here, 'src/now.ts'), 'what-if': path.join(here, 'src/what-if.ts'), jobs: path.join(here, 'src/jobs.ts') },
      output: {
        format: 'es',
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        assetFileNames: (asset) => (asset.names?.[0]?.endsWith('.css') ? 'app.css' : 'assets/[name]-[hash][extname]'),
      },
    },
  },
});
await writeFile(path.join(out, 'map-worker.js'), worker);
const sheets = await Promise.all(['style', 'data', 'now', 'codes'].map((name) => readFile(path.join(here, `src/${name}.css`), 'utf8')));
// Pictures that are drawn for paper, without a browser, have the same colours.
await copyFile(path.join(here, 'src/tokens.json'), path.join(out, 'tokens.json'));
await writeFile(path.join(out, 'paper.css'), paperCss([tokens, ...sheets]));

const single = [await build({
  ...common,
  plugins: [written('single')],
  // MapLibre would look for its worker beside its own module, which a single file does not have.
  define: { ...common.define, 'import.meta.url': '""', SERVED: 'false' },
  build: {
    write: false,
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    chunkSizeWarningLimit: 4000,
    // Vite's own loader of chunks asks for import.meta, in a branch that one script never takes.
    rolldownOptions: { input: entry, checks: { emptyImportMeta: false }, output: { format: 'iife', name: 'bluelampPage', codeSplitting: false } },
  },
})].flat()[0];
for (const item of single.output) {
  const isSheet = item.type === 'asset' && item.fileName.endsWith('.css');
  if (!isSheet && item.type !== 'chunk') throw new Error(`the single file cannot carry ${item.fileName}`);
  const text = isSheet ? String(item.source) : item.code;
  // Inside <script> and <style> only their end tags, and the comment that changes how a script is read, are special.
  await writeFile(path.join(out, isSheet ? 'single.css' : 'single.js'), isSheet ? text.replaceAll('</style', '<\\/style') : text.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--'));
}

const files = (await readdir(out, { recursive: true, withFileTypes: true })).filter((file) => file.isFile()).map((file) => path.join(file.parentPath ?? file.path, file.name)).sort();
const manifest = {};
for (const file of files) {
  const bytes = await readFile(file);
  manifest[path.relative(out, file).replaceAll(path.sep, '/')] = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
const strayImports = files.filter((file) => file.includes(`${path.sep}chunks${path.sep}`));
for (const file of strayImports) {
  // A chunk that imported the entry would start the page a second time if the entry is asked for with a version behind it.
  if (/from"\.\.\/app\.js"|import"\.\.\/app\.js"/.test(await readFile(file, 'utf8'))) throw new Error(`${path.basename(file)} imports the entry module; move what they share into a module of its own`);
}
await writeFile(path.join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);

for (const [name, { bytes }] of Object.entries(manifest)) console.log(`${name.padEnd(36)} ${(bytes / 1024).toFixed(0).padStart(6)} KB`);
console.log(`built in ${((Date.now() - started) / 1000).toFixed(1)} s`);

// A made-up force in the format "bluelamp-map/1", for development and tests. Nothing here comes from real data.
//
//   node dev/sample.mjs [--areas 121] [--start 2026-11-23T18:00Z] [--no-duties] [--one-area] [--seed 7] > sample.json
//
// `--start 2026-03-23T18:00Z` or `2026-10-19T17:00Z` puts a clock-change night inside the fourteen days.

import { pathToFileURL } from 'node:url';

const HOUR = 3600;

/** Repeatable chance from a name, so that two vertices with the same name always fall in the same place. */
function chanceOf(name, seed) {
  let hash = 2166136261 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 12;
  hash = Math.imul(hash, 0x297a2d39);
  hash ^= hash >>> 15;
  return (hash >>> 0) / 4294967296;
}

const FIRST = ['Marl', 'Thorn', 'Kest', 'Bram', 'Wey', 'Hollin', 'Cald', 'Fern', 'Ash', 'Oster', 'Pell', 'Rook', 'Sal', 'Tarn', 'Ulver', 'Wick', 'Yar', 'Brin', 'Corn', 'Dun', 'Elm', 'Gan', 'Had', 'Ivel'];
const LAST = ['ley', 'wick', 'combe', 'stead', 'ham', 'holt', 'mere', 'den', 'bury', 'thorpe'];
const DISTRICTS = ['City', 'Harbour', 'North Moor', 'Vale', 'East Fen', 'South Downs'];
const NIGHT_OF_DISTRICT = [0, 0, 1, 1, 2, 2];
const NIGHTS = ['Urban nights', 'North nights', 'South nights'];
const CENTRES = [[0.2, -0.3], [3.4, -2.6], [-1.6, 4.1], [-4.6, 0.4], [4.3, 2.6], [-1.8, -4.6]];

/** A hexagonal grid, its vertices shaken and drawn towards the towns, its edges roughened: areas that share borders exactly. */
function drawAreas(count, seed) {
  const cells = [];
  for (let column = -14; column <= 14; column++)
    for (let row = -14; row <= 14; row++) {
      const x = column * Math.sqrt(3) + (row % 2 ? Math.sqrt(3) / 2 : 0);
      const y = row * 1.5;
      const ragged = 1 + 0.22 * Math.sin(Math.atan2(y, x) * 3 + 1) + 0.1 * chanceOf(`${column}/${row}`, seed);
      cells.push({ x, y, far: Math.hypot(x, y) * ragged });
    }
  cells.sort((a, b) => a.far - b.far);
  const chosen = cells.slice(0, count);
  const size = Math.sqrt(count) / 11;
  const place = (x, y) => {
    const name = `${(Math.round(x * 100) + 0) / 100},${(Math.round(y * 100) + 0) / 100}`;
    let px = x + (chanceOf(name + 'x', seed) - 0.5) * 0.7;
    let py = y + (chanceOf(name + 'y', seed) - 0.5) * 0.7;
    for (const [cx, cy] of CENTRES.slice(0, 2)) {
      const dx = px - cx * 2.2 * size, dy = py - cy * 2.2 * size;
      const pull = 0.45 * Math.exp(-(dx * dx + dy * dy) / (22 * size));
      px -= dx * pull;
      py -= dy * pull;
    }
    return [px, py];
  };
  const roughen = (a, b) => {
    const forward = a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
    const [from, to] = forward ? [a, b] : [b, a];
    const name = `${from[0].toFixed(4)},${from[1].toFixed(4)}|${to[0].toFixed(4)},${to[1].toFixed(4)}`;
    const points = [];
    for (let step = 1; step < 6; step++) {
      const t = step / 6;
      const sway = (chanceOf(name + step, seed) - 0.5) * 0.16;
      points.push([from[0] + (to[0] - from[0]) * t - (to[1] - from[1]) * sway, from[1] + (to[1] - from[1]) * t + (to[0] - from[0]) * sway]);
    }
    return forward ? points : points.reverse();
  };
  const earth = ([x, y]) => [Number((-1.9 + x * 0.045).toFixed(5)), Number((52.9 + y * 0.0275).toFixed(5))];
  return chosen.map((cell) => {
    const corners = Array.from({ length: 6 }, (_, k) => {
      const angle = Math.PI / 6 + (k * Math.PI) / 3;
      return place(cell.x + Math.cos(angle), cell.y + Math.sin(angle));
    });
    const ring = [];
    corners.forEach((corner, k) => ring.push(corner, ...roughen(corner, corners[(k + 1) % 6])));
    ring.push(corners[0]);
    const middle = [corners.reduce((sum, c) => sum + c[0], 0) / 6, corners.reduce((sum, c) => sum + c[1], 0) / 6];
    const distances = CENTRES.map(([x, y]) => Math.hypot(middle[0] - x * 2.2 * size, middle[1] - y * 2.2 * size));
    return { ring: ring.map(earth), middle, district: distances.indexOf(Math.min(...distances)), fromTown: Math.min(distances[0], distances[1]) / size };
  });
}

/** Quantiles of a Poisson whose rate is itself uncertain (negative binomial), by adding up the probabilities. */
function countQuantiles(mean, spread, levels) {
  const size = mean / spread;
  const p = size / (size + mean);
  let probability = Math.pow(p, size), sum = probability, count = 0;
  const found = [];
  for (const level of levels) {
    while (sum < level && count < 100000) {
      count++;
      probability *= ((count - 1 + size) / count) * (1 - p);
      sum += probability;
    }
    found.push(count);
  }
  return found;
}

export function makeSample({ areas: areaCount = 121, start = '2026-11-23T18:00Z', duties = true, oneArea = false, seed = 7, timeZone = 'Europe/London', madeUpName = 'Marlshire Constabulary' } = {}) {
  if (oneArea) areaCount = 1;
  const drawn = oneArea ? [{ district: 0, fromTown: 0 }] : drawAreas(areaCount, seed);
  const first = Math.floor(Date.parse(start.replace(/Z?$/, 'Z').replace(/T(\d\d:\d\d)Z/, 'T$1:00Z')) / 1000 / HOUR) * HOUR;
  const wall = new Intl.DateTimeFormat('en-GB', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset' });
  const short = new Intl.DateTimeFormat('en-GB', { timeZone, timeZoneName: 'short' });
  const localOf = (unix) => {
    const part = Object.fromEntries(wall.formatToParts(unix * 1000).map(({ type, value }) => [type, value]));
    const offset = part.timeZoneName.replace('GMT', '') || '+00:00';
    return { text: `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${offset}`, hour: Number(part.hour), weekday: new Date(`${part.year}-${part.month}-${part.day}T12:00Z`).getUTCDay() };
  };
  const zoneOf = (unix) => short.formatToParts(unix * 1000).find(({ type }) => type === 'timeZoneName').value;
  // Fourteen local days: an hour more or fewer where the clock is changed in them.
  const length = 336 + localOf(first).hour - localOf(first + 336 * HOUR).hour;
  const starting = Array.from({ length }, (_, i) => first + i * HOUR);
  const locals = starting.map(localOf);

  const districts = oneArea ? ['Whole force'] : DISTRICTS;
  const dayPools = districts.length;
  const pools = oneArea
    ? { id: ['P1'], name: ['Response'], role: ['response'] }
    : {
        id: [...DISTRICTS.map((_, i) => `D${i + 1}`), ...NIGHTS.map((_, i) => `N${i + 1}`)],
        name: [...DISTRICTS.map((name) => `${name} response`), ...NIGHTS],
        role: [...DISTRICTS, ...NIGHTS].map(() => 'response'),
      };
  const dayPattern = drawn.map(({ district }) => district);
  const nightPattern = drawn.map(({ district }) => dayPools + NIGHT_OF_DISTRICT[district]);
  const isNight = (hour) => hour >= 23 || hour < 7;
  const patterns = oneArea ? [dayPattern] : [dayPattern, nightPattern];
  const patternOfHour = locals.map(({ hour }) => (!oneArea && isNight(hour) ? 1 : 0));
  const activePools = (index) => (oneArea ? [0] : patternOfHour[index] ? [6, 7, 8] : [0, 1, 2, 3, 4, 5]);

  const shapeOf = ({ hour, weekday }) => {
    const daily = 0.45 + 0.75 * Math.exp(-(((hour + 24 - 17.5) % 24) ** 2) / 30) + 0.75 * Math.exp(-((((hour + 6) % 24) - 25) ** 2) / 18) + 0.35 * Math.exp(-((hour - 12) ** 2) / 20);
    const late = (weekday === 5 && hour >= 18) || (weekday === 6 && (hour < 4 || hour >= 18)) || (weekday === 0 && hour < 4);
    const early = hour >= 3 && hour < 7 ? 0.45 : 1;
    return daily * early * (late ? 1.75 : 1) * (weekday === 0 ? 0.92 : 1);
  };
  const levels = drawn.map(({ fromTown }, i) => (oneArea ? 14 : (0.12 + 0.9 * Math.exp(-fromTown / 2.6)) * (0.6 + 0.8 * chanceOf(`level${i}`, seed)) * (121 / areaCount)));
  const meanOf = (area, local) => levels[area] * shapeOf(local) * 0.62;

  const figure = (title, unit, decimals, rows) => ({ title, unit, decimals, values: rows.map((row) => row.map((value) => (value == null ? null : Math.round(value * 10 ** decimals)))) });
  const levelsAsked = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];
  const demandFigures = (means, spread, late, delay) => {
    const quantiles = means.map((row) => row.map((mean) => (mean == null ? null : countQuantiles(mean, spread * Math.max(mean, 0.05), levelsAsked))));
    const figures = { incidents_mean: figure('Expected incidents', 'incidents', 3, means) };
    ['p025', 'p10', 'p25', 'p50', 'p75', 'p90', 'p975'].forEach((name, k) => {
      figures[`incidents_${name}`] = figure(`Incidents, ${levelsAsked[k] * 100} % quantile`, 'incidents', 0, quantiles.map((row) => row.map((q) => q && q[k])));
    });
    figures.officer_hours_mean = figure('Expected officer-hours', 'officer-hours', 3, means.map((row) => row.map((mean) => mean && mean * 1.47)));
    figures.chance_late = figure('Chance that a call is late', 'share', 4, late);
    figures.chance_late_p10 = figure('Chance that a call is late, low', 'share', 4, late.map((row) => row.map((v) => v && Math.max(0, v * 0.58))));
    figures.chance_late_p90 = figure('Chance that a call is late, high', 'share', 4, late.map((row) => row.map((v) => v && Math.min(1, v * 1.5 + 0.01))));
    figures.chance_any_late = figure('Chance of at least one late call', 'share', 4, late.map((row, i) => row.map((v, h) => (v == null ? null : 1 - Math.exp(-means[i][h] * v)))));
    figures.expected_delay_minutes = figure('Expected delay', 'minutes', 2, delay);
    return figures;
  };

  const areaMeans = drawn.map((_, area) => locals.map((local) => meanOf(area, local)));
  const poolMeans = pools.id.map((_, pool) => locals.map((_, h) => {
    if (!activePools(h).includes(pool)) return null;
    const pattern = patterns[patternOfHour[h]];
    return areaMeans.reduce((sum, row, area) => (pattern[area] === pool ? sum + row[h] : sum), 0);
  }));
  const minimum = (pool) => (pool >= dayPools ? 4 : 3);
  const required = poolMeans.map((row, pool) => row.map((mean) => (mean == null ? null : Math.max(minimum(pool), Math.ceil(mean * 1.15 + 1.1 * Math.sqrt(mean))))));
  const grade = poolMeans.map((row, pool) => row.map((mean) => (mean == null ? null : mean * 1.15 + 1.1 * Math.sqrt(mean) > minimum(pool) ? '1' : null)));
  const typical = required.map((row) => {
    const known = row.filter((v) => v != null).sort((a, b) => a - b);
    return known[Math.floor(known.length * 0.8)] ?? 0;
  });
  const onDuty = required.map((row, pool) => row.map((need, h) => {
    if (need == null) return null;
    const { hour, weekday } = locals[h];
    const day = Math.floor(h / 24);
    const overlap = hour >= 14 && hour < 16 ? 2 : hour >= 18 && hour < 22 ? 1 : 0;
    const early = hour >= 7 && hour < 11 ? -1 : 0;
    const night = (weekday === 5 && hour >= 18) || (weekday === 6 && (hour < 4 || hour >= 18)) || (weekday === 0 && hour < 4);
    const weekend = night ? Math.round(typical[pool] * 0.42) : weekday === 0 ? -1 : 0;
    const sickness = chanceOf(`absence${pool}/${day}`, seed) < 0.22 ? -2 : 0;
    return Math.max(2, typical[pool] + overlap + early + weekend + sickness);
  }));
  const gap = required.map((row, pool) => row.map((need, h) => (need == null ? null : onDuty[pool][h] - need)));
  const poolLate = gap.map((row, pool) => row.map((g, h) => (g == null ? null : duties ? 0.02 + 0.9 / (1 + Math.exp(0.55 * (g + 3.2))) : 0.06 + 0.02 * chanceOf(`late${pool}/${h}`, seed))));
  const poolDelay = poolLate.map((row) => row.map((v) => v && 1.2 + v * 24));
  const areaLate = drawn.map(({ fromTown }, area) => locals.map((_, h) => {
    const late = poolLate[patterns[patternOfHour[h]][area]][h];
    return Math.min(0.98, late * (0.75 + 0.09 * Math.min(6, fromTown)));
  }));
  const areaDelay = areaLate.map((row) => row.map((v) => 1 + v * 26));
  const forceMeans = [locals.map((_, h) => areaMeans.reduce((sum, row) => sum + row[h], 0))];
  const forceLate = [locals.map((_, h) => areaMeans.reduce((sum, row, area) => sum + row[h] * areaLate[area][h], 0) / forceMeans[0][h])];

  const poolFigures = demandFigures(poolMeans, 0.25, poolLate, poolDelay);
  poolFigures.units_required = figure('Units required', 'units', 0, required);
  poolFigures.officers_required = figure('Officers required, net', 'officers', 1, required.map((row) => row.map((v) => v && v * 1.4)));
  poolFigures.officers_required_gross = figure('Officers required, gross of abstraction', 'officers', 1, required.map((row) => row.map((v) => v && v * 1.4 * 1.38)));
  if (duties) {
    poolFigures.units_on_duty = figure('Units on duty', 'units', 0, onDuty);
    poolFigures.units_gap = figure('Gap', 'units', 0, gap);
    poolFigures.units_gap_p10 = figure('Gap, low', 'units', 0, gap.map((row, p) => row.map((v, h) => (v == null ? null : v - Math.ceil(Math.sqrt(required[p][h]) * 0.5)))));
    poolFigures.units_gap_p90 = figure('Gap, high', 'units', 0, gap.map((row, p) => row.map((v, h) => (v == null ? null : v + Math.ceil(Math.sqrt(required[p][h]) * 0.42)))));
    poolFigures.officers_on_duty = figure('Officers on duty', 'officers', 1, onDuty.map((row) => row.map((v) => v && v * 1.4)));
    poolFigures.officers_gap = figure('Officers: on duty minus required', 'officers', 1, gap.map((row) => row.map((v) => (v == null ? null : v * 1.4))));
  }
  poolFigures.binds = { values: grade.map((row, p) => row.map((g, h) => (required[p][h] == null ? null : g ? 'demand' : 'minimum'))) };
  poolFigures.binding_grade = { values: grade };

  const recentStarting = Array.from({ length: 336 }, (_, i) => first - (336 - i) * HOUR);
  const outage = (i) => i >= 100 && i < 109;
  const draw = (mean, name) => countQuantiles(mean * (0.85 + 0.3 * chanceOf('shock' + name.split('/')[1], seed)), 0.2 * Math.max(mean, 0.05), [Math.min(0.999, chanceOf(name, seed))])[0];
  const recentAreas = drawn.map((_, area) => recentStarting.map((unix, i) => (outage(i) ? null : draw(meanOf(area, localOf(unix)), `seen${area}/${i}`))));
  const recentForce = [recentStarting.map((_, i) => (outage(i) ? null : recentAreas.reduce((sum, row) => sum + row[i], 0)))];

  const usedNames = new Set();
  const names = drawn.map((_, i) => {
    for (let tries = 0; ; tries++) {
      const name = FIRST[Math.floor(chanceOf(`f${i}/${tries}`, seed) * FIRST.length)] + LAST[Math.floor(chanceOf(`l${i}/${tries}`, seed) * LAST.length)];
      if (!usedNames.has(name)) return usedNames.add(name), name;
    }
  });
  const notes = ['This force is made up: no figure describes a real place.'];
  if (!duties) notes.push('No duties were given, so the map shows what is required and not what is missing.');
  if (!oneArea) notes.push('Boundaries are approximate: drawn from labelled points.');

  return {
    format: 'bluelamp-map/1',
    force: { id: 'marlshire', name: madeUpName, time_zone: timeZone },
    run: {
      run_id: 'run-0001', made_at: new Date((first + 1200) * 1000).toISOString().replace('.000', ''), data_until: new Date(first * 1000).toISOString().replace('.000', ''),
      method: 'slot_mean', seed, has_duties: duties, geography: oneArea ? 'none' : 'approximate', notes, staffing_method: 'mol',
    },
    hours: { starting, local: locals.map(({ text }) => text), zone: starting.map(zoneOf) },
    areas: {
      id: drawn.map((_, i) => (oneArea ? 'ALL' : `A${String(i + 1).padStart(3, '0')}`)),
      name: oneArea ? ['Whole force'] : names,
      district: drawn.map(({ district }) => districts[district]),
      kind: drawn.map(({ fromTown }) => (oneArea ? 'all' : fromTown < 4 ? 'urban' : 'rural')),
      geojson: { type: 'FeatureCollection', features: oneArea ? [] : drawn.map(({ ring }, id) => ({ type: 'Feature', id, properties: {}, geometry: { type: 'Polygon', coordinates: [ring] } })) },
    },
    pools,
    pool_of_area: { patterns, pattern_of_hour: patternOfHour },
    figures: {
      force: demandFigures(forceMeans, 0.2, forceLate, forceLate.map((row) => row.map((v) => 1 + v * 24))),
      pool: poolFigures,
      area: demandFigures(areaMeans, 0.3, areaLate, areaDelay),
    },
    recent: { starting: recentStarting, area: { incidents: recentAreas }, force: { incidents: recentForce }, apart: {} },
    standards: [
      { grade: '1', area_kind: 'urban', target_minutes: 15, target_share: 0.9 },
      { grade: '1', area_kind: 'rural', target_minutes: 20, target_share: 0.9 },
      { grade: '2', area_kind: 'all', target_minutes: 60, target_share: 0.8 },
    ],
    links: { coverage_csv: '/tables/coverage.csv?run=run-0001', coverage_json: '/tables/coverage.json?run=run-0001', forecast_csv: '/tables/forecast.csv?run=run-0001' },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const given = process.argv.slice(2);
  const after = (name, otherwise) => (given.includes(name) ? given[given.indexOf(name) + 1] : otherwise);
  process.stdout.write(JSON.stringify(makeSample({
    areas: Number(after('--areas', 121)), start: after('--start', '2026-11-23T18:00Z'), seed: Number(after('--seed', 7)),
    timeZone: after('--zone', 'Europe/London'), duties: !given.includes('--no-duties'), oneArea: given.includes('--one-area'),
  })));
}

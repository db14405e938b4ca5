/**
 * The chart of one place, as a Vega-Lite specification: what was seen and is expected above, cover below.
 *
 * It is compiled to Vega when the page is built, so that the page carries no compiler. Hours run along a plain number
 * line (hours since the run began) with labels handed in, because Vega's time scales know only UTC and the browser's
 * own time zone, and neither draws a day of 23 hours rightly for a force elsewhere.
 */

const colour = (name) => ({ expr: name });

const hours = {
  field: 'hour',
  type: 'quantitative',
  scale: { domainMin: { expr: 'from' }, domainMax: { expr: 'to' }, nice: false, zero: false },
};
const hourAxis = (labels) => ({
  title: null,
  values: { expr: 'tickHours' },
  labelExpr: "tickText[indexof(tickHours, datum.value)] || ''",
  labels,
  labelFlush: false,
  labelOverlap: true,
  labelAlign: 'left',
  labelOffset: 3,
  labelPadding: 4,
  ticks: labels,
  tickSize: 4,
  grid: true,
  domain: true,
});
const valueAxis = { title: null, tickCount: 4, minExtent: 26, maxExtent: 26, labelPadding: 4, grid: true, domain: false, ticks: false };

const across = (labels) => ({ x: { ...hours, axis: hourAxis(labels) } });
const band = (low, high, opacity) => ({
  data: { name: 'expected' },
  mark: { type: 'area', interpolate: 'step-after', clip: true, color: colour('demandColour'), opacity, line: false },
  encoding: { ...across(false), y: { field: low, type: 'quantitative', axis: valueAxis, scale: { zero: true, nice: true, domainMax: { expr: 'demandTop' } } }, y2: { field: high } },
});
const steps = (source, field, extra) => ({
  data: { name: source },
  mark: { type: 'line', interpolate: 'step-after', clip: true, ...extra },
  encoding: { ...across(false), y: { field, type: 'quantitative', axis: valueAxis } },
});
const runBegins = {
  data: { name: 'begins' },
  mark: { type: 'rule', clip: true, color: colour('muted'), strokeDash: [2, 3] },
  encoding: { x: hours },
};

export default {
  params: [
    { name: 'from', value: 0 },
    { name: 'to', value: 72 },
    { name: 'tickHours', value: [] },
    { name: 'tickText', value: [] },
    // Null lets the data decide; a place without demand has none to decide by.
    { name: 'demandTop', value: null },
    { name: 'demandTitle', value: '' },
    { name: 'coverTitle', value: '' },
    ...['ink', 'muted', 'gridColour', 'demandColour', 'seenColour', 'requiredColour', 'dutyColour', 'shortColour'].map((name) => ({ name, value: '#888888' })),
  ],
  background: 'transparent',
  padding: { left: 0, right: 8, top: 2, bottom: 0 },
  spacing: 10,
  resolve: { scale: { x: 'shared' } },
  vconcat: [
    {
      width: 300,
      height: 92,
      title: { text: { expr: 'demandTitle' }, anchor: 'start', frame: 'group', offset: 5 },
      layer: [
        band('p025', 'p975', 0.16),
        band('p10', 'p90', 0.24),
        band('p25', 'p75', 0.36),
        steps('expected', 'mean', { color: colour('demandColour'), strokeWidth: 1.6 }),
        steps('seen', 'incidents', { color: colour('seenColour'), strokeWidth: 1.1 }),
        {
          data: { name: 'before' },
          mark: { type: 'point', shape: 'circle', filled: false, size: 9, strokeWidth: 0.9, clip: true, color: colour('seenColour'), opacity: 0.6 },
          encoding: { ...across(false), y: { field: 'incidents', type: 'quantitative', axis: valueAxis } },
        },
        runBegins,
      ],
    },
    {
      width: 300,
      height: 74,
      title: { text: { expr: 'coverTitle' }, anchor: 'start', frame: 'group', offset: 5 },
      layer: [
        {
          data: { name: 'cover' },
          mark: { type: 'area', interpolate: 'step-after', clip: true, color: colour('requiredColour'), opacity: 0.16 },
          encoding: { ...across(true), y: { field: 'low', type: 'quantitative', axis: valueAxis, scale: { zero: true, nice: true } }, y2: { field: 'high' } },
        },
        {
          data: { name: 'cover' },
          mark: { type: 'area', interpolate: 'step-after', clip: true, color: colour('shortColour'), opacity: 0.75 },
          encoding: { ...across(true), y: { field: 'shortFrom', type: 'quantitative', axis: valueAxis }, y2: { field: 'shortTo' } },
        },
        { ...steps('cover', 'required', { color: colour('requiredColour'), strokeWidth: 1.6, strokeDash: [4, 2] }) },
        { ...steps('cover', 'onDuty', { color: colour('dutyColour'), strokeWidth: 1.9 }) },
      ].map((layer) => (layer.encoding?.x?.axis ? { ...layer, encoding: { ...layer.encoding, x: { ...hours, axis: hourAxis(true) } } } : layer)),
    },
  ],
  config: {
    font: 'system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif',
    view: { stroke: null },
    axis: {
      labelColor: colour('muted'),
      labelFontSize: 10.5,
      gridColor: colour('gridColour'),
      tickColor: colour('gridColour'),
      domainColor: colour('gridColour'),
    },
    title: { color: colour('ink'), fontSize: 11.5, fontWeight: 600 },
  },
};

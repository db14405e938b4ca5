/** Vega, loaded on first use. Expressions are interpreted, never compiled to code, so that a strict page policy holds. */

import { parse, View, type Spec } from 'vega';
import { expressionInterpreter } from 'vega-interpreter';
import specification from 'virtual:chart';

export async function startChart(container: HTMLElement): Promise<View> {
  const view = new View(parse(specification as Spec, {}, { ast: true }), {
    expr: expressionInterpreter,
    renderer: 'canvas',
    container,
    hover: false,
    tooltip: () => {},
  } as ConstructorParameters<typeof View>[1]);
  await view.runAsync();
  return view;
}

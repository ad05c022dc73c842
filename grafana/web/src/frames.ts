// A recorded look, and its answers as Grafana's data frames: what the Prometheus data source makes of them.
import { FieldType, toDataFrame, type DataFrame } from '@grafana/data';

export interface Target { expr: string; refId: string; legendFormat: string; instant: boolean }
export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: Target[];
  transformations?: unknown[];
  fieldConfig: { defaults: { noValue: string; unit: string }; overrides: unknown[] };
  options: Record<string, unknown>;
}
export interface Series { metric: Record<string, string>; values?: Array<[number, string]>; value?: [number, string] }
export interface Look {
  dashboard: {
    title: string;
    panels: Panel[];
    templating: { list: Array<{ name: string; label: string; type: string }> };
    annotations: { list: Array<{ name: string; iconColor: string }> };
  };
  values: Record<string, string>;
  answers: Record<string, Series[][]>;
  events: Record<string, Series[]>;
  span: { from: number; to: number; step: number };
}

export function title(text: string, look: Look): string {
  return text.replace(/\$(\w+)/g, (whole, name) => look.values[name] ?? whole);
}

export function legend(format: string, metric: Record<string, string>): string {
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => metric[name] ?? '');
}

const number = (text: string) => (text === 'NaN' ? null : Number(text.replace('Inf', 'Infinity')));

// One frame for each series, with a point at each step: null where there was no sample, so that a gap is a gap.
export function seriesFrames(target: Target, answers: Series[], look: Look): DataFrame[] {
  return answers.map((series) => {
    const points = series.values ?? [series.value!];
    const found = new Map(points.map(([at, value]) => [Math.round(at * 1000), number(value)]));
    const times = series.values ? steps(look) : [...found.keys()];
    const config = { displayNameFromDS: legend(target.legendFormat, series.metric) };
    return {
      ...toDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: times },
          { name: 'Value', type: FieldType.number, values: times.map((at) => found.get(at) ?? null), labels: series.metric, config },
        ],
      }),
      refId: target.refId,
    };
  });
}

function steps(look: Look): number[] {
  const count = Math.floor((look.span.to - look.span.from) / look.span.step) + 1;
  return Array.from({ length: count }, (_, index) => Math.round(look.span.from + index * look.span.step));
}

// An instant query in table format: a column for each label, and the value under its query's letter.
export function tableFrame(target: Target, answers: Series[]): DataFrame {
  const names = [...new Set(answers.flatMap((series) => Object.keys(series.metric)))].filter((name) => name !== '__name__');
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: answers.map((series) => series.value![0] * 1000) },
      ...names.map((name) => ({ name, type: FieldType.string, values: answers.map((series) => series.metric[name] ?? '') })),
      { name: `Value #${target.refId}`, type: FieldType.number, values: answers.map((series) => number(series.value![1])) },
    ],
  });
}

// Draws a recorded look at a dashboard (grafana/pictures.py) with Grafana's own components, laid out as Grafana does.
//
// @grafana/ui exports the time series, the table, the big value and the panel's frame, and these are used as they are.
// The heat map and the state timeline live inside Grafana itself; they are drawn here on @grafana/ui's own uPlot chart, axes
// and colours, so their cells are ours and everything around them is Grafana's.
import { applyFieldOverrides, cacheFieldDisplayNames, createTheme, FieldType, getDefaultTimeRange, ThemeContext, dateTime } from '@grafana/data';
import { standardTransformers, standardTransformersRegistry, transformDataFrame, FieldConfigOptionsRegistry } from '@grafana/data';
import { getFieldDisplayName, type DataFrame, type Field } from '@grafana/data';
import { BigValue, GlobalStyles, PanelChrome, TimeSeries, BigValueColorMode, BigValueGraphMode, BigValueTextMode } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { createRoot } from 'react-dom/client';
import { useEffect, useState } from 'react';
import { Cells, States } from './cells';
import { seriesFrames, tableFrame, title, type Look, type Panel } from './frames';
import { regions } from './events';

const GRID = { width: 1600, cell: 30, gap: 8, columns: 24 };
const theme = createTheme({ colors: { mode: 'dark' } });
const look = (window as unknown as { LOOK: Look }).LOOK;
const identity = (value: unknown) => value;
const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links'];
const CUSTOM = ['lineWidth', 'lineStyle', 'hideFrom', 'fillBelowTo', 'fillOpacity', 'cellOptions', 'width', 'minWidth'];

standardTransformersRegistry.setInit(() => {
  const each = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
  return [...each.values()].map((one) => ({ id: one.id, name: one.name, transformation: () => Promise.resolve(one) }) as never);
});

function registry() {
  const made = new FieldConfigOptionsRegistry();
  const item = (id: string, path: string, isCustom: boolean) =>
    ({ id, path, isCustom, name: id, process: identity, shouldApply: () => true, override: () => null, editor: () => null, settings: {} }) as never;
  STANDARD.forEach((id) => made.register(item(id, id, false)));
  CUSTOM.forEach((id) => made.register(item(`custom.${id}`, id, true)));
  return made;
}

const range = { ...getDefaultTimeRange(), from: dateTime(look.span.from), to: dateTime(look.span.to) };
range.raw = { from: range.from, to: range.to };

function configured(panel: Panel, frames: DataFrame[]): DataFrame[] {
  const found = applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig as never,
    replaceVariables: (text: string) => text,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry: registry(),
  });
  cacheFieldDisplayNames(found);
  return found;
}

function Nothing({ panel }: { panel: Panel }) {
  const style = { color: theme.colors.text.secondary, padding: 16, textAlign: 'center' as const, fontSize: 13 };
  return <div style={style}>{panel.fieldConfig.defaults.noValue}</div>;
}

function Content({ panel, width, height }: { panel: Panel; width: number; height: number }) {
  const [frames, setFrames] = useState<DataFrame[] | null>(null);
  useEffect(() => {
    const answers = look.answers[String(panel.id)];
    if (panel.type !== 'table') {
      setFrames(configured(panel, panel.targets.flatMap((target, index) => seriesFrames(target, answers[index], look))));
      return;
    }
    const tables = panel.targets.map((target, index) => tableFrame(target, answers[index])).filter((frame) => frame.length);
    const subscription = transformDataFrame(panel.transformations as never, tables).subscribe((found) => setFrames(configured(panel, found)));
    return () => subscription.unsubscribe();
  }, [panel]);
  if (frames === null) {
    return null;
  }
  if (!frames.some((frame) => frame.length)) {
    return <Nothing panel={panel} />;
  }
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] } as never;
  const bands = regions(look);
  switch (panel.type) {
    case 'timeseries':
      return (
        <TimeSeries frames={frames} width={width} height={height} timeRange={range} timeZone="utc" legend={legend}>
          {(builder) => {
            builder.addHook('drawClear', (u) => bands.forEach((band) => band.draw(u)));
            return <></>;
          }}
        </TimeSeries>
      );
    case 'heatmap':
      return <Cells frames={frames} width={width} height={height} theme={theme} panel={panel} look={look} />;
    case 'state-timeline':
      return <States frames={frames} width={width} height={height} theme={theme} look={look} />;
    case 'table':
      return <TableNG data={frames[0]} width={width} height={height} cellHeight={'sm' as never} noHeader={false} timeRange={range}
        structureRev={1} getActions={() => []} disableSanitizeHtml={true} frozenColumns={0} enableSharedCrosshair={false}
        sortByBehavior={'initial' as never} initialSortBy={[]} replaceVariables={(text: string) => text} {...({} as object)} />;
    default:
      return <One panel={panel} frame={frames[0]} width={width} height={height} />;
  }
}

function One({ panel, frame, width, height }: { panel: Panel; frame: DataFrame; width: number; height: number }) {
  const field = frame.fields.find((each: Field) => each.type === FieldType.number)!;
  const options = panel.options as { textMode?: BigValueTextMode; colorMode: BigValueColorMode };
  const value = { ...field.display!(field.values[field.values.length - 1]), title: getFieldDisplayName(field, frame, [frame]) };
  return <BigValue theme={theme} width={width} height={height} value={value} colorMode={options.colorMode}
    graphMode={BigValueGraphMode.None} textMode={options.textMode === 'name' ? BigValueTextMode.Name : BigValueTextMode.Value} />;
}

function box(panel: Panel) {
  const { x, y, w, h } = panel.gridPos;
  const column = (GRID.width - GRID.gap) / GRID.columns;
  return {
    left: x * column + GRID.gap, top: y * (GRID.cell + GRID.gap) + GRID.gap + 56,
    width: Math.floor(w * column - GRID.gap), height: h * GRID.cell + (h - 1) * GRID.gap,
  };
}

function Framed({ panel }: { panel: Panel }) {
  const { width, height, ...at } = box(panel);
  if (panel.type === 'row') {
    const style = { position: 'absolute' as const, ...at, fontSize: 16, fontWeight: 500, color: theme.colors.text.primary, lineHeight: '30px' };
    return <div style={style}>{title(panel.title, look)}</div>;
  }
  return (
    <div style={{ position: 'absolute', ...at }}>
      <PanelChrome title={title(panel.title, look)} width={width} height={height}>
        {(innerWidth: number, innerHeight: number) => <Content panel={panel} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

function Top() {
  const shown = look.dashboard.templating.list.filter((each) => !['constant', 'datasource'].includes(each.type));
  const chip = { background: theme.colors.background.secondary, border: `1px solid ${theme.colors.border.medium}`, borderRadius: 4, padding: '4px 10px' };
  const said: Record<string, string> = { '^$': 'whole model', '.*': 'All' };
  return (
    <div style={{ position: 'absolute', left: 10, top: 12, display: 'flex', gap: 8, alignItems: 'center', whiteSpace: 'nowrap', color: theme.colors.text.primary, fontSize: 12 }}>
      <b style={{ fontSize: 18, marginRight: 16 }}>{look.dashboard.title}</b>
      {shown.map((each) => <span key={each.name} style={chip}><span style={{ color: theme.colors.text.secondary }}>{each.label} </span>{said[look.values[each.name]] ?? look.values[each.name]}</span>)}
      {regions(look).map((band) => <span key={band.name} style={{ color: band.color }}>● <span style={{ color: theme.colors.text.secondary }}>{band.name}</span></span>)}
    </div>
  );
}

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Top />
      {look.dashboard.panels.map((panel) => <Framed key={panel.id} panel={panel} />)}
    </ThemeContext.Provider>
  );
}

document.body.style.background = theme.colors.background.canvas;
createRoot(document.getElementById('page')!).render(<Page />);

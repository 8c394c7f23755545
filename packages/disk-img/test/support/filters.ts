/** What differs from one run to the next, or from one host to the next, whoever runs. */

const FILTERS: readonly (readonly [RegExp, string])[] = [
  [/#block\d{3,}/g, 'NODE'],
  [/^disk size: .*$/gm, 'disk size: SIZE'],
  [/"actual-size": \d+/g, '"actual-size": SIZE'],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE'],
  [/"date-(n?sec)": \d+/g, '"date-$1": DATE'],
  [/^( +(?:parent )?cid): \d+$/gm, '$1: CID'],
  [/"((?:parent-)?cid)": \d+/g, '"$1": CID'],
  [/Run completed in \d+\.\d+ seconds\./g, 'Run completed in TIME seconds.'],
];

export function filtered(text: string): string {
  let result = text;
  for (const [pattern, replacement] of FILTERS) result = result.replaceAll(pattern, replacement);
  return result;
}

/** Guest times as text. */
import type { Timestamp } from 'diskfile';

/**
 * `minutes`: as `ls --time-style=long-iso`, in the host's time zone. `seconds`: the same with
 * seconds. `full`: with nanoseconds and the zone. `epoch`: seconds since 1970. `days` and
 * `relative`: days or seconds before now.
 */
export type TimeStyle = 'minutes' | 'seconds' | 'full' | 'epoch' | 'days' | 'relative';

const SECONDS_PER_DAY = 24 * 60 * 60;
/** Seconds from 1970 that a `Date` can hold, either way. */
const MAX_DATE_SECONDS = 8.64e12;

export function formatTime(time: Timestamp, style: TimeStyle, nowSeconds: number): string {
  const { seconds, nanoseconds } = time;
  if (style === 'relative') return String(nowSeconds - seconds);
  if (style === 'days') return String(Math.floor((nowSeconds - seconds) / SECONDS_PER_DAY));
  if (style === 'epoch' || Math.abs(seconds) > MAX_DATE_SECONDS) return String(seconds);
  const date = new Date(seconds * 1000);
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join('-');
  const minutes = `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (style === 'minutes') return minutes;
  const whole = `${minutes}:${pad(date.getSeconds())}`;
  return style === 'seconds' ? whole : `${whole}.${pad(nanoseconds, 9)} ${zoneOf(date)}`;
}

/** `2026-01-01T00:00:00.123456789Z`; plain seconds where the calendar of JavaScript ends. */
export function isoTime({ seconds, nanoseconds }: Timestamp): string {
  if (Math.abs(seconds) > MAX_DATE_SECONDS) return String(seconds);
  return new Date(seconds * 1000).toISOString().replace(/000Z$/, `${pad(nanoseconds, 9)}Z`);
}

function zoneOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  const size = Math.abs(minutes);
  return `${sign}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}

/** Progress in a form that qemu-img does not have: a bar with rate and time left. */
import type { ChainProgress } from 'diskfile';
import type { Program } from '../program.ts';
import { sizeText } from './size.ts';

/** Milliseconds between two reports. */
const INTERVAL = 200;
const BAR_WIDTH = 24;

/** How far a piece of work has come, and how fast it goes. */
export class ProgressBar {
  readonly #program: Program;
  readonly #start = performance.now();
  #last = Number.NEGATIVE_INFINITY;

  constructor(program: Program) {
    this.#program = program;
  }

  update(progress: ChainProgress): void {
    const now = performance.now();
    if (now - this.#last < INTERVAL && progress.doneBytes < progress.totalBytes) return;
    this.#last = now;
    this.#program.draw(barText(progress, now - this.#start));
  }

  finish(): void {
    this.#program.endDrawing();
  }
}

/** @param elapsed milliseconds */
export function barText({ doneBytes, totalBytes }: ChainProgress, elapsed: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  const perSecond = elapsed === 0 ? 0 : (doneBytes / elapsed) * 1000;
  const left = perSecond === 0 ? '' : `  ${clock((totalBytes - doneBytes) / perSecond)} left`;
  return `${bar} ${percent} %  ${sizeText(perSecond)}/s${share === 1 ? '' : left}`;
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

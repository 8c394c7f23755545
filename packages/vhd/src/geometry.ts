/** Cylinders, heads and sectors of a VHD disk (specification, appendix "CHS Calculation"). */

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/** The largest geometry; it stands for all disks that are too large to have a true one. */
export const MAX_GEOMETRY: Geometry = { cylinders: 65_535, heads: 16, sectorsPerTrack: 255 };
export const MAX_GEOMETRY_SECTORS = sectorsOf(MAX_GEOMETRY);

export function sectorsOf({ cylinders, heads, sectorsPerTrack }: Geometry): number {
  return cylinders * heads * sectorsPerTrack;
}

/** The specification's algorithm; the result covers no more than `totalSectors`. */
export function geometryOf(totalSectors: number): Geometry {
  const sectors = Math.min(totalSectors, MAX_GEOMETRY_SECTORS);
  if (sectors > 65_535 * 16 * 63) return withTracks(sectors, 255, 16);
  let geometry = withTracks(sectors, 17, Math.max(4, Math.ceil(Math.floor(sectors / 17) / 1024)));
  if (isTooLong(sectors, geometry)) geometry = withTracks(sectors, 31, 16);
  if (isTooLong(sectors, geometry)) geometry = withTracks(sectors, 63, 16);
  return geometry;
}

function isTooLong(sectors: number, { heads, sectorsPerTrack }: Geometry): boolean {
  return heads > 16 || Math.floor(sectors / sectorsPerTrack) >= heads * 1024;
}

function withTracks(sectors: number, sectorsPerTrack: number, heads: number): Geometry {
  const tracks = Math.floor(sectors / sectorsPerTrack);
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}

/** What a disk of no sectors has. */
const NO_GEOMETRY: Geometry = { cylinders: 0, heads: 0, sectorsPerTrack: 0 };

/** The smallest geometry that the algorithm gives and that has room for `totalSectors`. */
export function geometryWithRoom(totalSectors: number): Geometry {
  if (totalSectors === 0) return NO_GEOMETRY;
  let geometry = geometryOf(totalSectors);
  for (let sectors = totalSectors; sectorsOf(geometry) < totalSectors; sectors += 1) {
    if (sectors >= MAX_GEOMETRY_SECTORS) return MAX_GEOMETRY;
    geometry = geometryOf(sectors);
  }
  return geometry;
}

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { MAX_UINT32 } from "./limits.ts";
import { type Cursor, FIXED64, LENGTH_DELIMITED, type RawField, readRawField, VARINT } from "./protobuf-scan.ts";
import type { WireError } from "./wire-error.ts";

const UNDECODABLE: WireError = { type: "undecodable" };

/**
 * Checks bytes against a message of the `.proto` file, nested messages too, before they are decoded. A protobuf decoder is
 * lenient where this protocol isn't: it keeps unknown fields whatever their number, lets the last of two members of a
 * oneof win, merges a message that comes twice, cuts numbers to their size and does not miss required fields.
 * Returns the first error. Time is linear in the bytes. Spec: B2-1, B2-2; seed 001 section 1.
 */
export function checkShape(
  schema: DescMessage,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): WireError | undefined {
  const cursor: Cursor = { bytes, at: start, end };
  const seen = new Set<DescField>();
  while (cursor.at < end) {
    const raw = readRawField(cursor);
    if (raw === undefined) return UNDECODABLE;
    const field = schema.fields.find((candidate) => candidate.number === raw.number);
    if (field === undefined) {
      if (raw.number % 2 === 0) return { type: "unknown_even_field", message: schema.name, field: raw.number };
      continue;
    }
    const error = checkOccurrence(schema, field, seen) ?? checkContent(schema, field, raw, bytes);
    if (error !== undefined) return error;
    seen.add(field);
  }
  const missing = schema.fields.find(
    (field) => field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED && !seen.has(field),
  );
  return missing && { type: "missing_field", message: schema.name, field: missing.name };
}

/** A member of a oneof comes alone, and no field but a repeated one comes twice. */
function checkOccurrence(schema: DescMessage, field: DescField, seen: ReadonlySet<DescField>): WireError | undefined {
  if (field.oneof?.fields.some((member) => seen.has(member))) {
    return { type: "two_members", message: schema.name, oneof: field.oneof.name };
  }
  return field.fieldKind !== "list" && seen.has(field) ? UNDECODABLE : undefined;
}

function checkContent(schema: DescMessage, field: DescField, raw: RawField, bytes: Uint8Array): WireError | undefined {
  if (raw.wireType !== wireTypeOf(field)) return UNDECODABLE;
  // An unknown value of a closed enum is an unknown field to protobuf: the field itself is then missing.
  if (field.fieldKind === "enum" && !field.enum.values.some((known) => known.number === raw.value)) {
    return { type: "missing_field", message: schema.name, field: field.name };
  }
  if (field.scalar === ScalarType.UINT32 && raw.value > MAX_UINT32) return UNDECODABLE;
  return field.message && checkShape(field.message, bytes, raw.start, raw.end);
}

/** The wire type of a field, of the types that the `.proto` file uses. */
function wireTypeOf(field: DescField): number {
  if (field.message !== undefined) return LENGTH_DELIMITED;
  switch (field.scalar) {
    case ScalarType.BYTES:
    case ScalarType.STRING:
      return LENGTH_DELIMITED;
    case ScalarType.FIXED64:
      return FIXED64;
    default:
      return VARINT;
  }
}

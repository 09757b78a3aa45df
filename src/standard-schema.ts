/**
 * The part of Standard Schema that is used, so that any validator fits without being imported.
 * https://standardschema.dev
 *
 * @module
 */

/** What a validator found wrong. */
export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a validator says of a value. */
export type StandardResult<O> =
  | { readonly value: O; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** A schema of zod, valibot, arktype and the like. */
export interface StandardSchemaLike<I = unknown, O = I> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<O> | Promise<StandardResult<O>>
    readonly types?: { readonly input: I; readonly output: O } | undefined
  }
}

/** The type of what a schema takes. */
export type SchemaInput<S extends StandardSchemaLike> = NonNullable<S['~standard']['types']>['input']
/** The type of what a schema gives. */
export type SchemaOutput<S extends StandardSchemaLike> = NonNullable<S['~standard']['types']>['output']

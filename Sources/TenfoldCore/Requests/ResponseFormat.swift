// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What an answer has to look like.
///
/// A model that keeps formats never says anything else: each token is chosen among those that the format allows. The
/// answer also follows its format when it reaches `maxTokens` or the end of the context, as it is closed on a shortest
/// way before; only a deadline or a reader that leaves cuts it short.
///
/// ```swift
/// let schema = #"{"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}"#
/// let options = try GenerationOptions(responseFormat: .jsonSchema(schema))
/// ```
public struct ResponseFormat: Hashable, Sendable, Codable {
  /// The kinds of formats; the list can grow, so always keep a default branch.
  public struct Kind: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind's name.
    public let rawValue: String

    /// Creates a kind by name.
    public init(_ rawValue: String) { self.rawValue = rawValue }

    /// Any text.
    public static let text = Self("text")
    /// Some JSON object.
    public static let jsonObject = Self("json_object")
    /// A JSON value that satisfies a schema.
    public static let jsonSchema = Self("json_schema")
    /// A text that follows a grammar.
    public static let grammar = Self("grammar")

    /// The raw value.
    public var description: String { rawValue }
  }

  /// What kind of format this is.
  public let kind: Kind
  /// The schema or the grammar; empty for formats without one.
  public let source: String

  /// Whether two formats are the same; sources are compared by their bytes, as answers are.
  ///
  /// - Parameters:
  ///   - left: A format.
  ///   - right: Another.
  /// - Returns: Whether they are the same.
  public static func == (left: Self, right: Self) -> Bool {
    left.kind == right.kind && left.source.hasSameBytes(as: right.source)
  }

  private init(_ kind: Kind, _ source: String = "") {
    self.kind = kind
    self.source = source
  }

  /// Any text; the default.
  public static let text = Self(.text)

  /// Some JSON object, its values nested at most six levels deep.
  public static let jsonObject = Self(.jsonObject)

  /// A JSON value that satisfies a schema.
  ///
  /// Kept are `type` (also several), `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`,
  /// `maxItems`, `minLength`, `maxLength`, `pattern`, `enum`, `const`, `anyOf`, `oneOf`, `allOf` of a single schema,
  /// `minimum` and its siblings for integers and numbers, and `$ref` to `#` or into `$defs`, recursive or not. Descriptions
  /// are ignored. Every other keyword is refused. Members come in the schema's order; unless `additionalProperties`
  /// asks for more there are no others than the listed ones; the names of others may be any printable characters but quotes
  /// and backslashes, and a name may occur twice among them. Numbers keep strict bounds also where they are read as doubles.
  ///
  /// Of strings `format` is kept where it is `date`, `time`, `date-time`, `uuid`, `email`, `ipv4` or `uri` beside a `type`;
  /// others are notes, as JSON Schema has it. A `pattern` is one of ECMA-262 without look-around, references back, word
  /// boundaries and Unicode properties, matches anywhere unless it is anchored, and is kept together with a format and limits
  /// of length. Of `oneOf` exactly one alternative is satisfied, always: alternatives that can't be told apart by their types,
  /// constants or bounds, by such a required member, or by a required member that the other doesn't list, are refused; where
  /// it does no harm that a value satisfies several, write `anyOf`.
  ///
  /// - Parameter schema: The schema as JSON text.
  /// - Returns: The format.
  public static func jsonSchema(_ schema: String) -> Self { Self(.jsonSchema, schema) }

  /// A text that follows a grammar: rules of the form `name ::= …`, the whole answer's called `root`.
  ///
  /// A rule is made of texts in double quotes, classes of characters such as `[a-z]` and `[^\n]`, names of rules,
  /// alternatives with `|`, groups in parentheses, and `*`, `+`, `?` and `{2,5}` for repetition; `#` begins a comment.
  ///
  /// - Parameter rules: The rules.
  /// - Returns: The format.
  public static func grammar(_ rules: String) -> Self { Self(.grammar, rules) }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The codes of an error that options outside their range throw.
package protocol InvalidOptionCode {
  /// An option lies outside its documented range.
  static var invalidOption: Self { get }
}

extension CodedError where Code: InvalidOptionCode {
  /// Checks one option.
  ///
  /// - Parameters:
  ///   - holds: Whether the option lies in its range.
  ///   - name: The option, as it is declared.
  ///   - range: The range in words, to follow "must be".
  ///   - file: The source file that checks.
  ///   - line: The line that checks.
  /// - Throws: An error with the code for invalid options if `holds` is false.
  package static func require(
    _ holds: Bool,
    _ name: String,
    _ range: String,
    file: String = #fileID,
    line: Int = #line
  ) throws(Self) {
    if !holds { throw Self(.invalidOption, "\(name) must be \(range)", file: file, line: line) }
  }
}

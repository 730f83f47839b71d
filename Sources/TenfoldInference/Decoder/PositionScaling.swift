// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// How a model that was trained on short contexts tells positions in longer ones apart.
///
/// Linear scaling squeezes all positions into those that were trained (S. Chen et al., "Extending Context Window of Large
/// Language Models via Position Interpolation", 2023). YaRN leaves the short wavelengths as they are, squeezes the long ones,
/// goes over from one to the other between two bounds, and sharpens attention (B. Peng et al., "YaRN: Efficient Context
/// Window Extension of Large Language Models", 2023).
public struct PositionScaling: Hashable, Sendable {
  /// How many times longer contexts have become.
  public var factor: Double
  /// How much of the short wavelengths is left as it is: 1 in YaRN, 0 in linear scaling.
  public var extrapolation: Double
  /// What queries and keys are multiplied by, beside what YaRN itself says.
  public var attentionFactor: Double
  /// A wavelength that fits this often into ``originalContextLength``, or more often, is short.
  public var fastRotations: Double
  /// A wavelength that fits this often into ``originalContextLength``, or less often, is long.
  public var slowRotations: Double
  /// The context that the model was trained on, in tokens.
  public var originalContextLength: Int

  /// Creates a scaling.
  ///
  /// - Parameters:
  ///   - factor: How many times longer contexts have become.
  ///   - extrapolation: How much of the short wavelengths is left as it is.
  ///   - attentionFactor: What queries and keys are multiplied by.
  ///   - fastRotations: How often short wavelengths fit into the original context, at least.
  ///   - slowRotations: How often long wavelengths fit into the original context, at most.
  ///   - originalContextLength: The context that the model was trained on.
  public init(
    factor: Double = 1,
    extrapolation: Double = 0,
    attentionFactor: Double = 1,
    fastRotations: Double = 32,
    slowRotations: Double = 1,
    originalContextLength: Int
  ) {
    self.factor = factor
    self.extrapolation = extrapolation
    self.attentionFactor = attentionFactor
    self.fastRotations = fastRotations
    self.slowRotations = slowRotations
    self.originalContextLength = originalContextLength
  }

  /// Reads the metadata of a model.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` or ``ModelError/Code/invalidHeader``.
  init(_ metadata: GGUFMetadata, architecture: String, contextLength: Int) throws(ModelError) {
    self.init(originalContextLength: contextLength)
    let prefix = "\(architecture).rope."
    func float(_ key: String, _ value: Double) throws(ModelError) -> Double {
      metadata[prefix + key] == nil ? value : try metadata.float(for: prefix + key)
    }
    // Without a type positions are stretched linearly; the factor has an older name, too.
    let type =
      metadata[prefix + "scaling.type"] == nil ? "linear" : try metadata.string(for: prefix + "scaling.type")
    guard ["none", "linear", "yarn"].contains(type) else {
      throw ModelError(
        .unsupported,
        "Position scaling '\(type)' is not supported: linear and yarn are; use a model with one of them or without any."
      )
    }
    attentionFactor = try float("scaling.attn_factor", 1)
    if type != "none" {
      let key = metadata[prefix + "scaling.factor"] == nil ? "scale_linear" : "scaling.factor"
      let stated = try float(key, 1)
      // Files say 0 for none.
      factor = stated == 0 ? 1 : stated
    }
    if type == "yarn" {
      extrapolation = try float("scaling.yarn_ext_factor", 1)
      attentionFactor *= try float("scaling.yarn_attn_factor", 1)
      fastRotations = try float("scaling.yarn_beta_fast", 32)
      slowRotations = try float("scaling.yarn_beta_slow", 1)
      let key = prefix + "scaling.original_context_length"
      if metadata[key] != nil { originalContextLength = try metadata.integer(for: key, in: 1...16_777_216) }
    }
    let isValid =
      factor > 0 && attentionFactor > 0 && magnitude > 0 && (0...1).contains(extrapolation)
      && fastRotations > slowRotations
      && slowRotations > 0
    guard isValid, [factor, attentionFactor, fastRotations].allSatisfy(\.isFinite) else {
      throw ModelError(
        .invalidHeader,
        "\(prefix)scaling has a factor of \(factor), an attention factor of \(attentionFactor), \(extrapolation) of "
          + "extrapolation and bounds of \(slowRotations) and \(fastRotations) rotations, which make no sense together."
      )
    }
  }

  /// What cosines and sines are multiplied by.
  var magnitude: Double {
    extrapolation == 0 ? attentionFactor : attentionFactor * (1 + 0.1 * log(factor))
  }

  /// The frequency that takes the place of one.
  ///
  /// - Parameters:
  ///   - frequency: Radians a position without scaling.
  ///   - index: The number of the frequency in a head, from the highest on.
  ///   - length: Rotated elements of a head, two for each frequency.
  ///   - base: The base of the rotation's wavelengths.
  /// - Returns: Radians a position.
  func scaled(_ frequency: Double, index: Int, length: Int, base: Double) -> Double {
    let squeezed = frequency / factor
    guard extrapolation != 0 else { return squeezed }
    // The index of the frequency that turns so often within the original context.
    func place(turning rotations: Double) -> Double {
      let wavelength = Double(originalContextLength) / rotations
      return Double(length) * log(wavelength / (2 * .pi)) / (2 * log(base))
    }
    let low = max(0, place(turning: fastRotations).rounded(.down))
    let high = min(Double(length - 1), place(turning: slowRotations).rounded(.up))
    let ramp = (Double(index) - low) / max(1e-3, high - low)
    let share = (1 - min(1, max(0, ramp))) * extrapolation
    return squeezed * (1 - share) + frequency * share
  }
}

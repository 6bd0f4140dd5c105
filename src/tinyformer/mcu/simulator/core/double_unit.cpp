// SPDX-License-Identifier: Apache-2.0
#include "double_unit.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace tinyformer {

namespace {

template <typename To, typename From>
To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

unsigned field(std::uint32_t word, unsigned low, unsigned width) { return (word >> low) & ((1u << width) - 1); }

// The registers that an instruction names.
class Operands {
public:
    Operands(std::uint32_t instruction, FloatState* state) : word_(instruction), state_(*state) {}

    double n() const { return get(field(word_, 16, 4)); }
    double m() const { return get(field(word_, 0, 4)); }
    double d() const { return get(field(word_, 12, 4)); }
    std::uint64_t m_bits() const { return state_.d[field(word_, 0, 4)]; }
    void set(double value) { state_.d[field(word_, 12, 4)] = bits<std::uint64_t>(value); }
    void set_bits(std::uint64_t value) { state_.d[field(word_, 12, 4)] = value; }
    // Single-precision registers number S<2V + extension bit>.
    std::uint32_t single_m() const { return half(2 * field(word_, 0, 4) + field(word_, 5, 1)); }
    void set_single(std::uint32_t value) { set_half(2 * field(word_, 12, 4) + field(word_, 22, 1), value); }
    std::uint32_t single_d() const { return half(2 * field(word_, 12, 4) + field(word_, 22, 1)); }

private:
    double get(unsigned number) const { return bits<double>(state_.d[number]); }
    std::uint32_t half(unsigned number) const {
        return static_cast<std::uint32_t>(state_.d[number / 2] >> (32 * (number % 2)));
    }
    void set_half(unsigned number, std::uint32_t value) {
        std::uint64_t& whole = state_.d[number / 2];
        const unsigned shift = 32 * (number % 2);
        whole = (whole & ~(std::uint64_t{0xFFFFFFFF} << shift)) | (std::uint64_t{value} << shift);
    }

    std::uint32_t word_;
    FloatState& state_;
};

double rounded(double value, unsigned mode) {
    switch (mode) {
        case 0:
            return std::nearbyint(value);  // to nearest, ties to even: the host's default
        case 1:
            return std::ceil(value);
        case 2:
            return std::floor(value);
        default:
            return std::trunc(value);
    }
}

template <typename Integer>
std::uint32_t saturated(double value) {
    using Limits = std::numeric_limits<Integer>;
    if (std::isnan(value)) return 0;
    const double clamped = std::clamp(value, static_cast<double>(Limits::min()), static_cast<double>(Limits::max()));
    return static_cast<std::uint32_t>(static_cast<Integer>(clamped));
}

void compare(double left, double right, FloatState* state) {
    constexpr std::uint32_t kNegative = 8u << 28, kEqual = 6u << 28, kGreater = 2u << 28, kUnordered = 3u << 28;
    state->status &= 0x0FFFFFFF;
    state->status |= std::isnan(left) || std::isnan(right) ? kUnordered
                     : left < right                        ? kNegative
                     : left == right                       ? kEqual
                                                           : kGreater;
}

// The immediate of VMOV: sign, three bits of exponent, four of fraction.
double immediate(unsigned byte) {
    const double magnitude = (16 + (byte & 15)) / 16.0 * std::ldexp(1.0, static_cast<int>(((byte >> 4) & 7) ^ 4) - 3);
    return (byte & 0x80) != 0 ? -magnitude : magnitude;
}

bool execute_fixed_point(std::uint32_t word, Operands* operands) {
    const unsigned size = (word & 0x80) != 0 ? 32 : 16;
    const bool is_unsigned = (word & (1u << 16)) != 0, to_fixed = (word & (1u << 18)) != 0;
    const int fraction = static_cast<int>(size) - static_cast<int>(2 * field(word, 0, 4) + field(word, 5, 1));
    const double scale = std::ldexp(1.0, fraction);
    if (to_fixed) {
        const double scaled = std::trunc(operands->d() * scale);
        const std::uint32_t value =
            size == 32    ? (is_unsigned ? saturated<std::uint32_t>(scaled) : saturated<std::int32_t>(scaled))
            : is_unsigned ? saturated<std::uint16_t>(scaled)
                          : saturated<std::int16_t>(scaled);
        operands->set_bits(
            is_unsigned ? value
                        : static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))));
        return true;
    }
    const auto raw = static_cast<std::uint32_t>(bits<std::uint64_t>(operands->d()));
    const double value = size == 32    ? (is_unsigned ? static_cast<double>(raw) : static_cast<std::int32_t>(raw))
                         : is_unsigned ? static_cast<double>(raw & 0xFFFF)
                                       : static_cast<std::int16_t>(raw);
    operands->set(value / scale);
    return true;
}

// Operations with one operand: opc2 of the encoding, its two bits "T" and whether the operand is a double.
bool execute_unary(std::uint32_t word, Operands* operands, FloatState* state) {
    constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
    const unsigned operation = field(word, 16, 4);
    const bool upper = (word & 0x80) != 0;
    const unsigned rounding = field(state->status, 22, 2);
    switch (operation) {
        case 0x0:
            operands->set_bits(upper ? operands->m_bits() & ~kSign : operands->m_bits());  // VABS, VMOV
            return true;
        case 0x1:
            if (upper)
                operands->set(std::sqrt(operands->m()));
            else
                operands->set_bits(operands->m_bits() ^ kSign);  // VNEG
            return true;
        case 0x4:
            compare(operands->d(), operands->m(), state);
            return true;
        case 0x5:
            compare(operands->d(), 0.0, state);
            return true;
        case 0x6:
            operands->set(rounded(operands->m(), upper ? 3 : rounding));  // VRINTZ, VRINTR
            return true;
        case 0x7:
            if (!upper)
                operands->set(rounded(operands->m(), rounding));  // VRINTX
            else if ((word & 0x100) != 0)
                operands->set_single(bits<std::uint32_t>(static_cast<float>(operands->m())));
            else
                operands->set(static_cast<double>(bits<float>(operands->single_m())));
            return true;
        case 0x8: {
            const std::uint32_t value = operands->single_m();
            operands->set(upper ? static_cast<double>(static_cast<std::int32_t>(value)) : static_cast<double>(value));
            return true;
        }
        case 0xC:
            operands->set_single(saturated<std::uint32_t>(rounded(operands->m(), upper ? 3 : rounding)));
            return true;
        case 0xD:
            operands->set_single(saturated<std::int32_t>(rounded(operands->m(), upper ? 3 : rounding)));
            return true;
        case 0xA:
        case 0xB:
        case 0xE:
        case 0xF:
            return execute_fixed_point(word, operands);
        default:
            return false;
    }
}

// VSEL, VMAXNM, VMINNM, VRINT{A,N,P,M}, VCVT{A,N,P,M}: those with prefix 0xFE.
bool execute_unconditional(std::uint32_t word, std::uint32_t flags, Operands* operands) {
    if ((word & (1u << 23)) == 0) {
        const bool negative = (flags >> 31) & 1, zero = (flags >> 30) & 1, overflow = (flags >> 28) & 1;
        const bool conditions[4] = {zero, overflow, negative == overflow, !zero && negative == overflow};
        operands->set(conditions[field(word, 20, 2)] ? operands->n() : operands->m());
        return true;
    }
    if (field(word, 20, 2) == 0) {
        operands->set((word & 0x40) != 0 ? std::fmin(operands->n(), operands->m())
                                         : std::fmax(operands->n(), operands->m()));
        return true;
    }
    if (field(word, 20, 2) != 3) return false;
    constexpr unsigned kModes[4] = {0, 0, 1, 2};  // away (below), nearest, up, down
    const unsigned choice = field(word, 16, 2);
    const double value = operands->m();
    const double result = choice == 0 ? std::round(value) : rounded(value, kModes[choice]);
    if ((word & (1u << 18)) == 0) {
        operands->set(result);
    } else {
        operands->set_single((word & 0x80) != 0 ? saturated<std::int32_t>(result) : saturated<std::uint32_t>(result));
    }
    return true;
}

}  // namespace

bool is_double_operation(std::uint32_t word) {
    const bool data_processing = (word >> 24 == 0xEE || word >> 24 == 0xFE) && (word & 0x10) == 0;
    const unsigned coprocessor = field(word, 8, 4);
    const bool widens = coprocessor == 10 && (word & 0x00BF0FD0) == 0x00B70AC0;  // VCVT.F64.F32
    return data_processing && (coprocessor == 11 || widens);
}

bool execute_double(std::uint32_t word, std::uint32_t flags, FloatState* state) {
    Operands operands(word, state);
    if (!is_double_operation(word)) return false;
    if (word >> 24 == 0xFE) return execute_unconditional(word, flags, &operands);
    const bool upper = (word & 0x40) != 0;
    const unsigned operation = (field(word, 23, 1) << 2) | field(word, 20, 2);
    switch (operation) {
        case 0:
            operands.set(operands.d() + (upper ? -1.0 : 1.0) * (operands.n() * operands.m()));  // VMLA, VMLS
            return true;
        case 1:
            operands.set(-operands.d() + (upper ? -1.0 : 1.0) * (operands.n() * operands.m()));  // VNMLA, VNMLS
            return true;
        case 2:
            operands.set((upper ? -1.0 : 1.0) * (operands.n() * operands.m()));  // VNMUL, VMUL
            return true;
        case 3:
            operands.set(upper ? operands.n() - operands.m() : operands.n() + operands.m());
            return true;
        case 4:
            operands.set(operands.n() / operands.m());
            return !upper;
        case 5:
            operands.set(std::fma(upper ? -operands.n() : operands.n(), operands.m(), -operands.d()));  // VFNMA, VFNMS
            return true;
        case 6:
            operands.set(std::fma(upper ? -operands.n() : operands.n(), operands.m(), operands.d()));  // VFMS, VFMA
            return true;
        default:
            if (upper) return execute_unary(word, &operands, state);
            operands.set(immediate((field(word, 16, 4) << 4) | field(word, 0, 4)));
            return true;
    }
}

}  // namespace tinyformer

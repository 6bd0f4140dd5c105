// SPDX-License-Identifier: Apache-2.0
#include "semihosting.hpp"

namespace tinyformer {

namespace {

enum Operation : std::uint32_t {
    kOpen = 0x01,
    kClose = 0x02,
    kWriteCharacter = 0x03,
    kWriteText = 0x04,
    kWrite = 0x05,
    kRead = 0x06,
    kReadCharacter = 0x07,
    kIsTty = 0x09,
    kClock = 0x10,
    kExit = 0x18,
    kExitExtended = 0x20,
};
constexpr std::uint32_t kFailure = ~0u;
constexpr std::uint32_t kApplicationExit = 0x20026;
constexpr std::uint32_t kInputHandle = 1, kOutputHandle = 2;

}  // namespace

std::uint32_t Semihosting::word(Address address) const {
    std::uint32_t value = 0;
    memory_.read(address, 4, &value);
    return value;
}

std::uint32_t Semihosting::write(Address block, Cycle now) {
    const Address data = word(block + 4);
    const std::uint32_t size = word(block + 8);
    for (std::uint32_t index = 0; index < size && io_.reason == StopReason::None; ++index) {
        const std::uint8_t* byte = memory_.host(data + index);
        if (byte == nullptr) return size - index;
        io_.print(static_cast<char>(*byte), now);
    }
    return 0;
}

std::uint32_t Semihosting::read(Address block) {
    const Address data = word(block + 4);
    const std::uint32_t size = word(block + 8);
    std::uint32_t index = 0;
    if (io_.input.empty()) io_.starved = true;
    for (; index < size && io_.consumed < io_.input.size(); ++index) {
        std::uint8_t* byte = memory_.host(data + index);
        if (byte == nullptr || memory_.kind(data + index) == MemoryKind::Flash) break;
        *byte = static_cast<std::uint8_t>(io_.input[io_.consumed++]);
    }
    return size - index;
}

void Semihosting::exit(std::uint32_t reason, std::uint32_t status) {
    io_.stop(StopReason::Exit, reason == kApplicationExit ? static_cast<int>(status) : 1);
}

std::uint32_t Semihosting::serve(std::uint32_t operation, std::uint32_t argument, Cycle now) {
    switch (operation) {
        case kOpen: {
            constexpr std::uint32_t kFirstWriteMode = 4;
            std::uint32_t name = 0;
            memory_.read(word(argument), 3, &name);
            if (name != (':' | ('t' << 8) | ('t' << 16))) return kFailure;  // only the console can be opened
            return word(argument + 4) < kFirstWriteMode ? kInputHandle : kOutputHandle;
        }
        case kClose:
            return 0;
        case kWriteCharacter: {
            std::uint32_t character = 0;
            memory_.read(argument, 1, &character);
            io_.print(static_cast<char>(character), now);
            return 0;
        }
        case kWriteText: {
            std::uint32_t character = 0;
            for (Address at = argument;
                 memory_.read(at, 1, &character) && character != 0 && io_.reason == StopReason::None; ++at) {
                io_.print(static_cast<char>(character), now);
            }
            return 0;
        }
        case kWrite:
            return write(argument, now);
        case kRead:
            return read(argument);
        case kReadCharacter:
            if (io_.input.empty()) io_.starved = true;
            return io_.consumed < io_.input.size() ? static_cast<std::uint8_t>(io_.input[io_.consumed++]) : kFailure;
        case kIsTty:
            return 1;
        case kClock:
            return static_cast<std::uint32_t>(now * 100 / clock_hz_);  // centiseconds
        case kExit:
            exit(argument, 0);
            return 0;
        case kExitExtended:
            exit(word(argument), word(argument + 4));
            return 0;
        default:
            return kFailure;
    }
}

}  // namespace tinyformer

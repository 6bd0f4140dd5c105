// SPDX-License-Identifier: Apache-2.0
// The chip's memories: buffers of this process that the emulator executes from and the models look into.
#pragma once
#include <unicorn/unicorn.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

class MemoryMap {
public:
    // Settings "memory.N": kind (0 flash, 1 ITCM, 2 DTCM, 3 SRAM), bytes, address, further addresses.
    MemoryMap(const Settings& settings, uc_engine* engine);
    ~MemoryMap();
    MemoryMap(const MemoryMap&) = delete;
    MemoryMap& operator=(const MemoryMap&) = delete;

    MemoryKind kind(Address address) const { return pages_[address >> kPageShift].kind; }

    // Where `address` lives in this process, or null for peripherals and unmapped addresses. Valid up to the end of
    // the 4 KB page.
    std::uint8_t* host(Address address) const {
        std::uint8_t* page = pages_[address >> kPageShift].host;
        return page == nullptr ? nullptr : page + (address & (kPageSize - 1));
    }

    // Little-endian read of `size` bytes; false if any of them is not in a memory.
    bool read(Address address, unsigned size, std::uint32_t* value) const;
    // Copies into memory regardless of write protection; false if the range leaves the memories.
    bool load(Address address, const std::uint8_t* data, std::size_t size);

    Address flash_start() const { return flash_start_; }
    Address flash_bytes() const { return flash_bytes_; }

private:
    static constexpr unsigned kPageShift = 12;
    static constexpr Address kPageSize = Address{1} << kPageShift;
    struct Page {
        std::uint8_t* host;
        MemoryKind kind;
    };
    Page* pages_;  // one per page of the address space, zero-filled lazily by the operating system
    std::vector<std::uint8_t*> buffers_;
    Address flash_start_ = 0;
    Address flash_bytes_ = 0;
};

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
#include "memory_map.hpp"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tinyformer {

MemoryMap::MemoryMap(const Settings& settings, uc_engine* engine)
    : pages_(static_cast<Page*>(std::calloc(std::size_t{1} << (32 - kPageShift), sizeof(Page)))) {
    static const MemoryKind kinds[] = {MemoryKind::Flash, MemoryKind::Itcm, MemoryKind::Dtcm, MemoryKind::Sram};
    if (pages_ == nullptr) throw std::bad_alloc();
    for (const auto& row : settings.table("memory")) {
        const MemoryKind kind = kinds[row.at(0)];
        const auto bytes = static_cast<std::size_t>(row.at(1));
        auto* buffer = static_cast<std::uint8_t*>(std::aligned_alloc(kPageSize, bytes));
        if (buffer == nullptr) throw std::bad_alloc();
        buffers_.push_back(buffer);
        std::memset(buffer, kind == MemoryKind::Flash ? 0xFF : 0x00, bytes);
        if (kind == MemoryKind::Flash) {
            flash_start_ = static_cast<Address>(row.at(2));
            flash_bytes_ = static_cast<Address>(bytes);
        }
        for (std::size_t column = 2; column < row.size(); ++column) {
            const auto start = static_cast<Address>(row[column]);
            const std::uint32_t rights =
                kind == MemoryKind::Flash ? (UC_PROT_READ | UC_PROT_EXEC) : static_cast<std::uint32_t>(UC_PROT_ALL);
            const uc_err error = uc_mem_map_ptr(engine, start, bytes, rights, buffer);
            if (error != UC_ERR_OK) throw std::runtime_error(std::string("mapping a memory: ") + uc_strerror(error));
            for (std::size_t offset = 0; offset < bytes; offset += kPageSize) {
                pages_[(start + offset) >> kPageShift] = Page{buffer + offset, kind};
            }
        }
    }
}

MemoryMap::~MemoryMap() {
    for (auto* buffer : buffers_) std::free(buffer);
    std::free(pages_);
}

bool MemoryMap::read(Address address, unsigned size, std::uint32_t* value) const {
    const std::uint8_t* from = host(address);
    if (from == nullptr) return false;
    *value = 0;
    if ((address & (kPageSize - 1)) + size <= kPageSize) {
        std::memcpy(value, from, size);
        return true;
    }
    for (unsigned index = 0; index < size; ++index) {
        from = host(address + index);
        if (from == nullptr) return false;
        *value |= std::uint32_t{*from} << (8 * index);
    }
    return true;
}

bool MemoryMap::load(Address address, const std::uint8_t* data, std::size_t size) {
    for (std::size_t index = 0; index < size; ++index) {
        std::uint8_t* to = host(address + static_cast<Address>(index));
        if (to == nullptr) return false;
        *to = data[index];
    }
    return true;
}

}  // namespace tinyformer

-- What the hook does ten times a second: look for the answers to this session's requests, import
-- stems at their position, and tell the musician what went wrong.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local tracks = assert (loadfile (library .. "tracks.lua")) (library)

local mailbox = {}

local AGAIN = { 1, 3 } -- seconds after which a request without an answer is sent again
local PATIENCE = 5 -- seconds without an answer before the musician is told
local LISTING = 50 -- steps between two looks for results that nobody waits for

local SESSION = "^%l+%-" .. ("%x"):rep (8) .. "%-" -- how the ids of a session's requests begin

local waiting, steps = {}, 0 -- waiting: job id -> note of wire.request, with what became of it
local interrupted -- claims from before this Ardour was started, once looked for

local function exists (path)
	local file = io.open (path, "rb")
	if file then file:close () end
	return file ~= nil
end

local function rows (path)
	local found = {}
	for line in io.lines (path) do
		local name, position, file = line:match ("^([^\t]*)\t(%d+)\t(.+)$")
		if not name then error ("this line of the mailbox makes no sense: " .. line, 0) end
		found[#found + 1] = { name = name, position = math.tointeger (position), file = file }
	end
	return found
end

-- Import a claimed job and answer for it.
local function import (id, note)
	local claim = wire.inbox .. id .. ".claimed"
	local ok, problem = pcall (function ()
		local names = tracks.import (rows (claim), note.exact)
		wire.write (wire.inbox .. id .. ".imported", table.concat (names, "\n") .. "\n")
	end)
	os.remove (claim)
	if not ok then
		wire.write (wire.inbox .. id .. ".error", tostring (problem) .. "\n")
		error (note.label .. ": the stems could not be imported.\n" .. tostring (problem), 0)
	end
end

local function claimed (id)
	return os.rename (wire.inbox .. id .. ".tsv", wire.inbox .. id .. ".claimed")
end

-- Tell why the job has no stems, if the server said so; one that was cancelled needs no words.
local function failed (id, note)
	local path = wire.inbox .. id .. ".failed"
	local text = wire.read (path)
	if not text then return false end
	os.remove (path)
	local track, reason = text:match ("^([^\t]*)\t[^\t]*\t([^\n]*)")
	waiting[id] = nil
	if not (reason or text):find ("^cancel") then
		error ((note.label or track or id) .. ":\n" .. (reason or text), 0)
	end
	return true
end

-- Send again, or complain, while the server has not taken the request.
local function remind (note)
	note.accepted = note.accepted or exists (wire.workdir .. "/jobs/" .. note.id .. "/state.json")
	if note.accepted or note.told then return end
	local age, sendings = os.time () - note.time, note.sendings or 0
	if sendings < #AGAIN and age > AGAIN[sendings + 1] then
		note.sendings = sendings + 1
		wire.send (note.address, note.types, note.arguments)
	elseif age > PATIENCE then
		note.told = true
		error (note.label .. ": bandmate's server does not answer. Start it in a terminal:\n\n" ..
			"bandmate serve --allow \"" .. Session:path () .. "\"", 0)
	end
end

-- Results of an earlier run of this session, or of requests that came from no DAW.
local function list ()
	local pipe = io.popen ("ls '" .. wire.inbox:gsub ("'", "'\\''") .. "' 2>/dev/null")
	local names = pipe and pipe:read ("a") or ""
	if pipe then pipe:close () end
	for name in names:gmatch ("[^\n]+") do
		local id, kind = name:match ("^(.*)%.(%l+)$")
		local ours = id and id:find (wire.tag (), 1, true) == 1
		if id and (ours or not id:find (SESSION)) and not waiting[id] then
			if kind == "tsv" or kind == "failed" and ours then
				waiting[id] = { id = id, label = id, accepted = true }
			elseif kind == "claimed" and ours and not interrupted then
				os.rename (wire.inbox .. name, wire.inbox .. id .. ".error")
				wire.say ("Ardour was closed while it imported stems. They are still in\n" ..
					wire.workdir .. "/jobs/" .. id .. "/stems")
			end
		end
	end
	interrupted = true
end

local function step ()
	for _, note in ipairs (wire.sent ()) do waiting[note.id] = note end
	if steps % LISTING == 0 then list () end
	steps = steps + 1
	for id, note in pairs (waiting) do
		if claimed (id) then
			waiting[id] = nil
			import (id, note)
			return -- the table has changed
		elseif failed (id, note) then
			return
		end
		remind (note)
	end
end

-- Do what there is to do now. Errors are shown; the next call goes on after them.
function mailbox.step ()
	wire.guarded (step)
end

return mailbox

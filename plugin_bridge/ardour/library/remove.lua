-- "Remove last result": its tracks go, and what it took the place of sounds again.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local silence = assert (loadfile (library .. "silence.lua")) (library)
local selection = assert (loadfile (library .. "selection.lua")) (library)

-- The result's tracks that have nothing but its region; that region is removed from the others,
-- where the musician put something of his own.
local function tracks_to_remove (result)
	local routes, shared = {}, {}
	for _, made in ipairs (result.made) do
		local track = silence.track (made.track)
		local playlist = track and track:playlist ()
		local region = playlist and playlist:region_by_id (PBD.ID (made.region))
		local others = 0
		for each in playlist and playlist:region_list ():iter () or function () end do
			if each:to_stateful ():id ():to_s () ~= made.region then others = others + 1 end
		end
		if track and others == 0 then
			routes[#routes + 1] = track
		elseif track and not region:isnil () then
			shared[#shared + 1] = { playlist, region }
		end
	end
	return routes, shared
end

local function take_out (shared)
	Session:begin_reversible_command ("bandmate: remove last result")
	for _, pair in ipairs (shared) do
		pair[1]:to_stateful ():clear_changes ()
		pair[1]:remove_region (pair[2])
		Session:add_stateful_diff_command (pair[1]:to_statefuldestructible ())
	end
	Session:commit_reversible_command (nil)
end

local results = notes.results ()
local result = results[#results]
if not result then error ("There is no result to remove.", 0) end
local routes, shared = tracks_to_remove (result)
if #shared > 0 then take_out (shared) end
-- Ardour asks before it removes tracks, later: the hook goes on when they are gone.
wire.write (wire.inbox .. wire.tag () .. ".removing", wire.literal (result))
if #routes > 0 then
	selection.group (routes)
	Editor:remove_tracks ()
end
